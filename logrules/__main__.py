"""`python -m logrules`."""

import sys

from logrules.cli import main

sys.exit(main())
