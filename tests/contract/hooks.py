"""What Schemathesis should not send: what no schema can say, or HTTP and the API have ignored."""
import schemathesis

BYTES_MAX = {"subject": 128, "protocol": 63}  # of UTF-8; a schema counts characters


def is_ignored(case, members):
    """A header that nobody knows; in a form or JSON of the public API, a value that is empty and so counts as absent."""
    if any("unknown-property" in name.lower() for name in case.headers or {}):
        return True
    return not case.operation.path.startswith("/admin/") and any(value in ("", b"") for value in members.values())


def has_more_bytes(members):
    """A text of no more characters than its schema allows, and too many bytes all the same."""
    texts = ((members.get(name), most) for name, most in BYTES_MAX.items())
    return any(isinstance(text, str) and len(text) <= most < len(text.encode("utf-8", "surrogatepass")) for text, most in texts)


@schemathesis.hook
def filter_case(context, case):
    members = case.body if isinstance(case.body, dict) else {}
    return not is_ignored(case, members) and not has_more_bytes(members)
