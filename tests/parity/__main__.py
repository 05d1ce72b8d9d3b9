import sys

from tests.parity import main

sys.exit(main())
