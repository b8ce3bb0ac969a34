"""A page's characters are described as the library describes them, as far as they are read."""

import pytest

from activities.adapters.documents.pdf.pages import laid_out, open_pdf
from tests.support.documents import papers


@pytest.mark.parametrize("seed", range(12))
def test_a_character_is_what_the_library_says_that_it_is(seed: int) -> None:
    with open_pdf(papers.paper(seed).data) as pdf:
        described = [char for _, page in laid_out(pdf) if page is not None for char in page.chars]
    with open_pdf(papers.paper(seed).data) as pdf:
        library = [char for page in pdf.pages for char in page.chars]
    assert len(described) == len(library) > 0
    for ours, theirs in zip(described, library, strict=True):
        assert ours == {name: theirs[name] for name in ours}
