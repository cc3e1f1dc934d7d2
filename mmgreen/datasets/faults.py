"""What is wrong with a file, collected in one pass, each kind of fault said once."""

from collections.abc import Sequence

from .names import printable

#: How many ids or names a line lists.
LISTED = 10


def listed(names: Sequence[object]) -> str:
    """Names in a row, of very many the first."""
    more = f' and {len(names) - LISTED} more' if len(names) > LISTED else ''
    return ', '.join(map(printable, names[:LISTED])) + more


class Faults:
    """Faults of the entries of a file, by kind."""

    def __init__(self) -> None:
        self._found: dict[str, list[tuple[object, str]]] = {}

    def add(self, kind: str, number: object, sentence: str) -> None:
        """Note a fault.

        Args:
            kind: What it has in common with others.
            number: Id of the entry, by which to look it up.
            sentence: What is wrong with it.
        """
        self._found.setdefault(kind, []).append((number, sentence))

    def each(self) -> list[tuple[object, str]]:
        """The id of the entry and a sentence, of every fault."""
        return [fault for faults in self._found.values() for fault in faults]

    def sentences(self) -> list[str]:
        """A sentence for each kind: the first fault of it, and the ids of the others."""
        sentences = []
        for (_, sentence), *others in self._found.values():
            if others:
                sentence += f' ({len(others)} more alike: {listed([n for n, _ in others])})'
            sentences.append(sentence)
        return sentences
