"""What ThreadSanitizer says of the programs under test (setup/tsan). It ends the program that it speaks of, and a test that kills
that anyway, or asks it for nothing more, would pass all the same: so whoever reads a program's stderr shows it here, and a report
fails what is under way."""
import time

MARK = "ThreadSanitizer"
_logs = []  # with a report in them: lists of lines that may still grow


def look(line, log):
    """log: the list that the line, and those after it, go to."""
    if MARK.encode() in line:
        _logs.append(log)


def refuse(text):
    assert MARK not in text, text[max(0, text.index(MARK) - 100):][:8000]


def none():
    """Raises for a report since it was last asked."""
    if not _logs:
        return
    time.sleep(1)  # the rest of it is on its way
    log = _logs[0]
    _logs.clear()
    refuse("".join(map(str, log)))
