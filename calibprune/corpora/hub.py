"""Whether the hub that text comes from can be reached."""

import socket
import urllib.request
from urllib.parse import urlsplit

from calibprune.errors import CorpusError


def check_network(source: str) -> None:
    """Say at once that the hub is out of reach, where its libraries would try for half a minute.

    Args:
        source: the name of the text source, for the line.

    Raises:
        CorpusError: its address cannot be reached.
    """
    from huggingface_hub.constants import ENDPOINT

    if urllib.request.getproxies():
        return
    address = urlsplit(ENDPOINT)
    try:
        socket.create_connection((address.hostname, address.port or 443), timeout=10).close()
    except OSError:
        raise CorpusError(
            f"{source}: {address.hostname} cannot be reached: check the network, or give a local copy as "
            f"{source}:FOLDER"
        ) from None
