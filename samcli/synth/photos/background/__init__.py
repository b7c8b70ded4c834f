"""What stands behind the objects: painted by an inpainting model, or a picture of a scene."""
