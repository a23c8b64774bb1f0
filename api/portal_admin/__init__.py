# Declared before the routes name their codes.
from . import network_problems as network_problems
from . import problems as problems
from . import trouble_problems as trouble_problems
