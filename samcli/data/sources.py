"""The ten test sets of the paper (section 5.1): what they hold, who publishes them and how they are had."""

from dataclasses import dataclass

GROUPS, STORIES, CHANGES = "group-captioning", "storytelling", "change-captioning"
_DEMON = "500 samples of it are in DEMON-Core (Google Drive link in github.com/DCDmllm/Cheetah, CC BY-NC 4.0)"


@dataclass(frozen=True)
class Source:
    """A data set that others publish; `images` is the number of images in each sample, None where it differs."""

    name: str
    directory: str
    task: str
    images: int | None
    publisher: str
    access: str
    licence: str


SOURCES = (
    Source(
        "conceptual",
        "Conceptual",
        GROUPS,
        5,
        "Li et al. 2020, Context-Aware Group Captioning (lizw14.github.io/project/groupcap)",
        "the folder Conceptual/ among the data that github.com/McCartney01/SAM links to is in this layout already; "
        "the original is http://cs.jhu.edu/~zhuowan/ContextCap/conceptual_dataset.zip",
        "none stated; built on Google's Conceptual Captions",
    ),
    Source(
        "animal",
        "Animal",
        GROUPS,
        5,
        "images: NICO (He et al. 2021, nico.thumedialab.com); texts: the paper's authors",
        "images from nico.thumedialab.com/dataset/NICO/Animal.zip; "
        "the texts aren't public: ask the authors (github.com/McCartney01/SAM)",
        "terms on NICO's site",
    ),
    Source(
        "vehicle",
        "Vehicle",
        GROUPS,
        5,
        "images: NICO (He et al. 2021, nico.thumedialab.com); texts: the paper's authors",
        "images from nico.thumedialab.com; the texts aren't public: ask the authors (github.com/McCartney01/SAM)",
        "terms on NICO's site",
    ),
    Source(
        "aesop",
        "AESOP",
        STORIES,
        3,
        "Adobe Research (github.com/adobe-research/aesop)",
        f"data.zip and previews.tar.gz of release v1.0 at github.com/adobe-research/aesop; {_DEMON}",
        "Adobe Research License: non-commercial research",
    ),
    Source(
        "vist",
        "VIST",
        STORIES,
        5,
        "Visual Storytelling (visionandlanguage.net/VIST)",
        f"SIS-with-labels.tar.gz and the image archives at visionandlanguage.net/VIST; {_DEMON}",
        "none stated for the texts; each Flickr photo has its own",
    ),
    Source(
        "dm800k",
        "DM800K",
        STORIES,
        None,
        "the authors of ConCaps (github.com/jingqiangchen/CohCaps)",
        "on request by e-mail; the address is in github.com/jingqiangchen/CohCaps",
        "none stated",
    ),
    Source(
        "iedit",
        "IEdit",
        CHANGES,
        2,
        "Image Editing Request, Tan et al. 2019 (github.com/airsplay/VisualRelationships)",
        "annotations in dataset/adobe/ of github.com/airsplay/VisualRelationships, "
        f"images by the links in its README; {_DEMON}",
        "none stated; pictures from Reddit and Zhopped",
    ),
    Source(
        "spot-the-diff",
        "Spot-the-Diff",
        CHANGES,
        2,
        "Jhamtani and Berg-Kirkpatrick 2018 (github.com/harsh19/spot-the-diff)",
        "annotations in data/annotations/ of github.com/harsh19/spot-the-diff, "
        f"images by the link in its README; {_DEMON}",
        "none stated",
    ),
    Source(
        "birds-to-words",
        "Birds-to-Words",
        CHANGES,
        2,
        "Google Research (github.com/google-research-datasets/birds-to-words)",
        "birds-to-words-v1.0.tsv at github.com/google-research-datasets/birds-to-words, "
        f"photos from iNaturalist by the URLs in it; {_DEMON}",
        "texts CC BY-SA 4.0; photos mostly CC BY-NC or CC BY-NC-ND",
    ),
    Source(
        "clevr-change",
        "CLEVR-Change",
        CHANGES,
        2,
        "Robust Change Captioning (github.com/Seth-Park/RobustChangeCaptioning)",
        f"clevr_change.tar.gz by the link in github.com/Seth-Park/RobustChangeCaptioning; {_DEMON}",
        "none stated",
    ),
)
