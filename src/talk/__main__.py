"""`python -m talk` is `talk`."""

import sys

from talk.apps.main import main

sys.exit(main())
