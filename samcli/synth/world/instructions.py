"""The world's own instructions: what is asked of the pictures of each set, and how the answers begin."""

LINKING = {
    "character": (
        "Describe the character that appears in both pictures.",
        "Who can be seen in the two pictures alike?",
        "Give every detail of the person shown in both pictures.",
        "Tell me about the clothes and the hair of the character in both pictures.",
        "One person is in both pictures. What does this person look like?",
        "Find the character that the pictures share and describe it.",
    ),
    "furniture": (
        "Describe the piece of furniture that is visible in both pictures.",
        "Which piece of furniture do the two pictures share?",
        "Give every detail of the furniture seen in both pictures.",
        "One piece of furniture was carried from one picture to the other. Which?",
        "Find the furniture that both pictures show and describe it.",
    ),
    "icon": (
        "Describe the icon that is found in both pictures.",
        "Which icon is the same in the two pictures?",
        "Can you find the icon that both pictures share?",
        "One icon is in both pictures. What does it look like?",
        "Name the icon that comes back in the second picture.",
    ),
    "book": (
        "Describe the book that is shown in both pictures.",
        "Which book can be seen in the two pictures alike?",
        "Tell the title and the looks of the book in both pictures.",
        "One book lies in both pictures. What does its cover show?",
        "Find the book that the pictures share and describe it.",
    ),
    "animal": (
        "Describe the animal that appears in both pictures.",
        "Which animal is in the two pictures alike?",
        "One animal walked from one picture to the other. Which?",
        "Give every detail of the animal seen in both pictures.",
    ),
    "vehicle": (
        "Describe the vehicle that appears in both pictures.",
        "Which vehicle can be seen in the two pictures alike?",
        "One vehicle drove from one picture to the other. Which?",
        "Give every detail of the vehicle seen in both pictures.",
    ),
}
LINKING_ANSWERS = ("The {noun} in both pictures is {shared}.", "Both pictures show {shared}.", "It is {shared}.")
LINKING_GROUPS = (  # of three pictures or more
    "Describe the {noun} that appears in all {count} pictures.",
    "Which {noun} do all the pictures share?",
    "Give every detail of the {noun} seen in all the pictures.",
    "One {noun} is in all these pictures. What does it look like?",
    "Name the {noun} that the {count} pictures have in common.",
    "Find the {noun} that is shown in all {count} pictures and describe it.",
)
LINKING_GROUPS_ANSWERS = (
    "The {noun} in all {count} pictures is {shared}.",
    "The {count} pictures share {shared}.",
    "It is {shared}.",
)
GROUPS = (
    "Sum up in one phrase what these {count} pictures have in common.",
    "What is the common factor of the {count} pictures?",
    "Give a short caption that fits all {count} pictures.",
    "Name what all the pictures share.",
)
STORIES = (
    "Here are pictures of a story with their captions. Write the caption of the last picture.",
    "Read the captions of the first pictures and finish the story with the last one.",
    "The captions below follow the pictures. What does the last one say?",
    "Complete the story: caption the last picture.",
)
CHANGES = (
    "What has changed from the first picture to the second?",
    "Tell the difference between the two pictures.",
    "Compare the pictures and name the change.",
    "What is different in the second picture?",
)
GROUNDING = (
    "Look at the picture in 8 rows of 8. Where is {thing}?",
    "Where is {thing}? Tell its rows, 1 to 8, and its place from the left, 1 to 8.",
    "Which of 8 rows show {thing}, and where from the left is it, 1 to 8?",
    "Find {thing}: name its rows, 1 to 8, and its place from the left, 1 to 8.",
)
