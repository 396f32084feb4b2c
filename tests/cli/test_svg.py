"""``zoo describe --svg``: everything is in the picture, nothing overlaps, no wire crosses a box."""

import json
from functools import cache
from xml.etree import ElementTree

import pytest
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from typer.testing import CliRunner

from compositions import ARCHITECTURES, composition
from zoo_common.cli.main import application
from zoo_common.report.svg.document import to_svg
from zoo_common.report.svg.graph import scene_of
from zoo_common.report.svg.layers import arrange, crossings
from zoo_common.report.svg.layout import place
from zoo_common.report.svg.scene import Box, Scene, Wire, text_width
from zoo_spec import list_specs, load_spec
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec

SVG = "{http://www.w3.org/2000/svg}"


def u_shape(depth):
    """A graph whose wires pass up to ``2 * depth`` rows, with all skips inside each other."""
    scene = Scene({"x": Box("x", "input", ("[batch, height 28, width 28]",))})
    names = [f"down_{level}" for level in range(depth)] + [f"up_{level}" for level in reversed(range(depth))]
    for name in names:
        scene.boxes[name] = Box(name, "weights", ("conv2d · channels 8", "1,234 parameters"), stage=1)
    scene.chain("x", *names)
    scene.wires += [
        Wire(f"down_{level}", f"up_{level}", port="skip", label="skip") for level in range(depth - 1)
    ]
    return scene


def random_number(name):
    """The architecture and the number in a name of ``SCENES``, where it is of a drawn one."""
    kind, architecture, number = name.split()
    assert kind == "random"
    return int(number), architecture


SCENES = (
    *list_specs(),
    *(f"random {name} {number}" for number in range(2) for name in ARCHITECTURES),
    "u shape",
)


@cache
def scene_named(name):
    """The scene, made when a test first wants it, and for all of them."""
    if name == "u shape":
        return u_shape(12)
    if name in list_specs():
        return scene_of(load_spec(name).graph())
    return scene_of(ExperimentSpec.model_validate(composition(*random_number(name))).graph())


@cache
def placed_named(name):
    """The scene with a place for everything in it."""
    return place(scene_named(name))


def every(placed):
    """The drawing and those inside its boxes."""
    yield placed
    for box in placed.boxes.values():
        if box.inside is not None:
            yield from every(box.inside)


def points(way):
    """Places along a wire, ends left out."""
    (x, start), (to_x, end) = way.start, way.end
    middle = (way.leave + way.arrive) / 2
    for part in range(1, 20):
        t = part / 20
        yield x, start + t * (way.leave - start)
        yield to_x, way.arrive + t * (end - way.arrive)
        one, two, three, four = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
        yield (
            (one + two) * x + (three + four) * to_x,
            one * way.leave + (two + three) * middle + four * way.arrive,
        )


def inside(box, x, y, margin=0.5):
    return (
        box.x + margin < x < box.x + box.width - margin and box.y + margin < y < box.y + box.height - margin
    )


@pytest.mark.parametrize("name", SCENES)
def test_no_wire_crosses_a_box_and_no_box_another(name):
    for drawing in every(placed_named(name)):
        boxes = list(drawing.boxes.values())
        for index, one in enumerate(boxes):
            assert -0.01 <= one.x <= one.x + one.width <= drawing.width + 0.01
            assert -0.01 <= one.y <= one.y + one.height <= drawing.height + 0.01
            for other in boxes[index + 1 :]:
                beside = one.x + one.width < other.x or other.x + other.width < one.x
                assert beside or one.y + one.height < other.y or other.y + other.height < one.y
        for way in drawing.ways:
            assert way.start[1] <= way.leave < way.arrive <= way.end[1]
            assert not [(box.box.title, x, y) for x, y in points(way) for box in boxes if inside(box, x, y)]


@pytest.mark.parametrize("name", SCENES)
def test_every_wire_is_drawn_from_its_box_to_its_box(name):
    scene, placed = scene_named(name), placed_named(name)
    arrows = [way.end for way in placed.ways if way.arrow]
    assert len(arrows) == len(scene.wires) == sum(len(box.ports) for box in placed.boxes.values())
    for box in placed.boxes.values():
        for port in box.ports.values():
            assert any((box.x + port.x, box.y) == pytest.approx(end) for end in arrows)


def test_text_is_no_wider_than_is_allowed_for():
    """Held against the real widths of the widest of the usual fonts."""
    scene = scene_of(load_spec("bert_base").graph())
    texts = [box.title for box in scene.boxes.values()] + [
        line for box in scene.boxes.values() for line in box.lines
    ]
    for text in {*texts, "WWWMMM", "a_rather_long_name_of_a_node", "0123456789", "[batch, 1, 2] → × ·"}:
        for bold in (False, True):
            font = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
            real = TextPath((0, 0), text, size=11, prop=font).get_extents().width
            assert real <= text_width(text, 11, bold=bold)


@pytest.mark.parametrize("name", list_specs())
def test_everything_of_the_graph_is_named(name, tmp_path):
    file = tmp_path / "graph.svg"
    found = CliRunner().invoke(application(), ["describe", "--spec", name, "--svg", str(file)])
    assert (found.exit_code, found.stdout) == (0, f"wrote {file}\n")
    root = ElementTree.parse(file).getroot()
    assert root.tag == f"{SVG}svg"
    texts = " ".join(element.text for element in root.iter(f"{SVG}text"))
    graph = load_spec(name).graph()
    assert f"{graph.parameter_count:,} parameters" in texts
    for shown in (*graph.inputs, *graph.outputs):
        assert shown in texts
    if name != "mnist_fc_deep":
        for shown in graph.nodes:
            assert shown in texts


def test_repeated_layers_are_drawn_once():
    text = to_svg(load_spec("bert_base"))
    assert "post_norm_layer × 12" in text
    assert text.count(">attention_norm<") == 1
    assert len(to_svg(load_spec("bert_base", ["model.num_layers=96"]))) < 1.01 * len(text)
    deep = to_svg(load_spec("mnist_fc_deep"))
    assert "hidden_1 … activation_9" in deep
    assert "× 9, each with weights of its own" in deep
    assert deep.count(">relu<") == 2


@pytest.mark.parametrize("name", ["t5_tiny", "transformer_tiny"])
def test_a_decoders_layers_are_drawn_with_what_they_read(name):
    text = to_svg(load_spec(name))
    assert all(part in text for part in ("cross_attention_norm", "memory_example_ids", "decoder_layer × 2"))
    assert "cross_attention_dropout" not in text


def test_what_may_be_left_out_is_dashed_and_the_loss_is_below_the_rest():
    placed = place(scene_of(load_spec("bert_tiny").graph()))
    boxes = placed.boxes
    assert [name for name in ("input_ids", "example_ids", "masked_ids") if boxes[name].box.dashed] == [
        "example_ids"
    ]
    rest = max(box.y + box.height for box in boxes.values() if box.box.stage < 3)
    losses = {"masked_ids", "masked_weights", "next_sentence_labels", "masked_lm_loss", "loss"}
    assert all(boxes[name].y > rest for name in losses)
    assert all(
        boxes[name].y == pytest.approx(boxes["input_ids"].y, abs=1) for name in ("positions", "example_ids")
    )


def test_orders_without_crossings_are_found():
    assert crossings(arrange(u_shape(6))) == 0
    assert crossings(arrange(scene_of(load_spec("two_branch_classifier").graph()))) == 0


def test_a_graph_of_thousands_of_nodes_is_not_drawn():
    spec = load_spec("mnist_fc", [f"model.hidden_sizes={[2] * 1_000}"])
    with pytest.raises(InputError, match=r"has 2,00\d nodes, and a drawing has room for 300"):
        to_svg(spec)


def test_names_cannot_break_the_document():
    name = json.dumps('<b>&"')
    spec = load_spec("mnist_fc", [f"name={name}"])
    titles = ElementTree.fromstring(to_svg(spec)).iter(f"{SVG}title")
    assert next(titles).text.startswith('<b>&":')


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--svg", "graph.png"], "does not end in .svg"), (["--svg", "graph.svg", "--json"], "one of --json")],
)
def test_wrong_options_are_refused(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(application(), ["describe", "--spec", "mnist_fc", *arguments])
    assert found.exit_code == 2
    assert message in found.stderr
    assert not list(tmp_path.iterdir())


def test_a_path_that_cannot_be_is_refused(tmp_path):
    file = tmp_path / "missing" / "graph.svg"
    found = CliRunner().invoke(application(), ["describe", "--spec", "mnist_fc", "--svg", str(file)])
    assert found.exit_code == 2
    assert "cannot write" in found.stderr
