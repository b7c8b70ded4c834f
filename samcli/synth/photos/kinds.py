"""The kinds of objects: the paper's four, and what a kind that the recipe doesn't describe is taken for."""

from samcli.recipe_mmlink import MmlinkRecipe, ObjectRecipe

PICTURES = 2  # of a sample
COLUMNS, ROWS = 3, 2  # of a grid of icons
PAPER_KINDS = {
    "character": ObjectRecipe(noun="person"),
    "furniture": ObjectRecipe(noun="piece of furniture", distractors=0),
    "icon": ObjectRecipe(form="grid", distractors=0),
    "cover": ObjectRecipe(form="covers", noun="book", distractors=0),
}


def kind_called(recipe: MmlinkRecipe, name: str) -> ObjectRecipe:
    """What the recipe says of the kind, else what the paper does with it, else two scenes."""
    return recipe.objects.get(name) or PAPER_KINDS.get(name) or ObjectRecipe()


def objects_needed(kind: ObjectRecipe) -> int:
    """How many different objects a sample takes: shared ones once, all others on one picture only."""
    return {"scenes": 1 + PICTURES * kind.distractors, "grid": 1 + PICTURES, "covers": PICTURES}[kind.form]
