from collections import Counter

from samcli.recipe_mmlink import MmlinkRecipe, ObjectRecipe
from samcli.synth.photos.group import Group
from samcli.synth.photos.record import Photo, Record
from samcli.synth.photos.sources import Item
from samcli.synth.work import Job

COUNT = 200


def item(kind: str, number: int, views: int = 2, **told: str) -> Item:
    photos = tuple(
        Photo(identity=f"{kind}-{number}", path=f"{kind}/{number}/{view}.png", view=str(view), **told)
        for view in range(views)
    )
    return Item(kind, f"{kind}-{number}", None, photos)


def drawn(recipe: MmlinkRecipe, items: dict[str, tuple[Item, ...]], count: int = COUNT) -> list[Record]:
    return Group(recipe, items)([Job(index) for index in range(count)])


def identities(record: Record) -> list[list[str]]:
    return [[subject.photo.identity for subject in view.subjects] for view in record.views]


def test_scenes_share_their_main_object_in_two_views_and_nothing_else() -> None:
    recipe = MmlinkRecipe(objects={"shoe": ObjectRecipe(distractors=2)})
    for record in drawn(recipe, {"shoe": tuple(item("shoe", number, 3) for number in range(9))}):
        first, second = identities(record)
        assert first[0] == second[0]
        assert len({*first, *second}) == 5
        one, other = (view.subjects[0].photo for view in record.views)
        assert one.view != other.view
        assert all(subject.warp is None for subject in record.subjects)


def test_a_sample_depends_on_seed_and_number_alone() -> None:
    items = {"shoe": tuple(item("shoe", number) for number in range(9))}
    recipe = MmlinkRecipe(objects={"shoe": ObjectRecipe()})
    whole = drawn(recipe, items)
    assert Group(recipe, items)([Job(7), Job(3)]) == [whole[7], whole[3]]
    other = drawn(recipe.model_copy(update={"seed": 1}), items)
    assert [record.seed for record in other] != [record.seed for record in whole]
    assert sum(identities(a) == identities(b) for a, b in zip(whole, other, strict=True)) < COUNT / 4
    assert len({record.seed for record in whole}) == COUNT


def test_an_object_with_one_view_gets_another_by_geometry() -> None:
    items = {"shoe": tuple(item("shoe", number, 1) for number in range(5))}
    records = drawn(MmlinkRecipe(objects={"shoe": ObjectRecipe()}), items)
    warps = [[view.subjects[0].warp for view in record.views] for record in records]
    assert all(first is None and second is not None for first, second in warps)
    assert len({second for _, second in warps}) == COUNT


def test_kinds_come_by_their_shares() -> None:
    recipe = MmlinkRecipe(objects={"shoe": ObjectRecipe(share=3), "hat": ObjectRecipe(share=1)})
    items = {kind: tuple(item(kind, number) for number in range(5)) for kind in ("shoe", "hat")}
    count = Counter(record.object for record in drawn(recipe, items, 1000))
    assert 690 < count["shoe"] < 810


def test_grids_share_one_icon_and_have_a_near_miss() -> None:
    icons = (*(item("icon", number, 1) for number in range(12)), *(item("icon", number, 4) for number in range(12, 16)))
    for record in drawn(MmlinkRecipe(), {"icon": icons}):
        first, second = ([subject.photo for subject in view.subjects] for view in record.views)
        assert len(first) == len(second) == 6
        assert first[0] == second[0]
        assert {photo.path for photo in first[1:]}.isdisjoint(photo.path for photo in second[1:])
        near = {photo.identity for photo in first[1:]} & {photo.identity for photo in second[1:]}
        assert len(near) == 1
        assert len({photo.identity for photo in first}) == 6


def test_few_icons_make_small_grids() -> None:
    icons = tuple(item("icon", number, 1) for number in range(4))
    assert all(len(view.subjects) == 2 for record in drawn(MmlinkRecipe(), {"icon": icons}) for view in record.views)


def test_covers_share_author_or_genre() -> None:
    told = [("A", "x"), ("A", "y"), ("B", "x"), ("C", "z"), ("", "z"), ("", "")]
    covers = tuple(item("cover", number, 1, author=a, genre=g) for number, (a, g) in enumerate(told))
    shared: Counter[str] = Counter()
    for record in drawn(MmlinkRecipe(), {"cover": covers}):
        one, other = (view.subjects[0].photo for view in record.views)
        assert one.identity != other.identity
        by_author, by_genre = (bool(a) and a == b for a, b in ((one.author, other.author), (one.genre, other.genre)))
        assert by_author or by_genre
        shared["author" if by_author else "genre"] += 1
    assert min(shared.values()) > COUNT / 4
