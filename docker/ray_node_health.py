"""Whether the Ray node of this container lives and is part of the cluster: exits with 0 if so."""

import sys
from urllib.error import URLError
from urllib.request import urlopen

AGENT = "http://localhost:52365/api/local_raylet_healthz"
SECONDS = 5

try:
    with urlopen(AGENT, timeout=SECONDS) as answer:
        print(answer.read().decode())
except (URLError, TimeoutError) as error:
    sys.exit(f"the Ray node of this container is not well: {error}")
