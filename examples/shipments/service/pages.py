"""Pages of a list (AIP-158). A token is opaque to clients; it says where the next page begins and of which list."""

import base64
import binascii
import itertools
import json

from . import problems

DEFAULT = 50
MOST = 1000


def size(wanted):
    """How many a page holds."""
    if wanted < 0:
        raise problems.invalid([("page_size", "must not be negative")])
    return min(wanted or DEFAULT, MOST)


def begin(token, state):
    """The number behind which the page begins."""
    if not token:
        return 0
    try:
        after, of_state = json.loads(base64.urlsafe_b64decode(token))
        if type(after) is int and of_state == state:
            return after
    except (binascii.Error, TypeError, ValueError):
        pass
    raise problems.invalid([("page_token", "is not from an answer to this question")])


def take(found, count, state):
    """One page of (number, item) and the token of the next, which is empty on the last page."""
    page = list(itertools.islice(found, count + 1))
    if len(page) <= count:
        return [item for _, item in page], ""
    last = page[count - 1][0]
    token = base64.urlsafe_b64encode(json.dumps([last, state]).encode()).decode()
    return [item for _, item in page[:count]], token
