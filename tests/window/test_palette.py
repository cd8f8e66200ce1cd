import pytest

from soundsearch.paths import resources
from soundsearch.window import palette
from soundsearch.window.palette import DARK, LIGHT, Theme, contrast, icon_pixmap


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_text_can_be_read_on_every_ground(qapp, theme: Theme) -> None:
    pairs = [
        (ink, ground)
        for ink in (theme.text, theme.quiet, theme.accent_text)
        for ground in (theme.ground, theme.raised, theme.sunken, theme.hover, theme.selected)
    ]
    pairs += [
        (theme.on_accent, theme.accent),
        (theme.bad, theme.ground),
        (theme.bad, theme.bad_ground),
        (theme.text, theme.track),
    ]
    assert [(ink, ground) for ink, ground in pairs if contrast(ink, ground) < 4.5] == []


def test_contrast_is_that_of_wcag(qapp) -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize(
    "file", sorted((resources() / "icons").glob("*.svg")), ids=lambda f: f.stem
)
def test_icons_are_drawn_in_the_colour_asked_for(qapp, file) -> None:
    image = icon_pixmap(file.stem, "#ff0000", 16, 2.0).toImage()
    assert image.width() == image.height() == 32
    inks = {
        image.pixelColor(x, y).name()
        for x in range(32)
        for y in range(32)
        if image.pixelColor(x, y).alpha() == 255
    }
    assert inks == {"#ff0000"}


def test_the_persons_wish_comes_before_the_system(qapp) -> None:
    assert palette.choose_theme("dark", qapp) is DARK
    assert palette.choose_theme("light", qapp) is LIGHT
    assert palette.choose_theme("system", qapp) in (DARK, LIGHT)
