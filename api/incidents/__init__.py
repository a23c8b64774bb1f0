# Declared before the routes name their codes.
from . import problems as problems
