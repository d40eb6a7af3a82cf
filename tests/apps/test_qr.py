"""The modules of a QR code."""

from __future__ import annotations

import segno

from talk.apps.qr import qr_matrix

LINK = "talk://192.168.1.5:7433/" + "a" * 32 + "." + "b" * 26 + ".ccccc"


def test_the_modules_are_those_of_the_link_in_capitals() -> None:
    matrix = qr_matrix(LINK)
    assert matrix == [[bool(module) for module in row] for row in segno.make_qr(LINK.upper(), error="l").matrix]
    assert len(matrix) < len(segno.make_qr(LINK, error="l").matrix)


def test_it_is_a_square_with_a_finder_in_three_corners() -> None:
    matrix = qr_matrix(LINK)
    finder = [True] * 7
    assert {len(row) for row in matrix} == {len(matrix)}
    assert matrix[0][:7] == matrix[0][-7:] == matrix[-1][:7] == finder
    assert matrix[-1][-7:] != finder
    assert all(type(module) is bool for row in matrix for module in row)


def test_what_is_too_long_has_no_code() -> None:
    assert qr_matrix("x" * 5000) == []
