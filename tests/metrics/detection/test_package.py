"""The package as a whole: pure, small, quick to import."""

import subprocess
import sys

from metrics.detection import engine

BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"django", "celery", "rest_framework", "numba"}:
            raise ImportError(name)
sys.meta_path.insert(0, Block())
from metrics.detection import engine
states = engine.new_states(3)
print(len(states), engine.attributes(states)["learning"].all())
"""


def test_it_imports_without_django_and_needs_numba_only_to_advance():
    done = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, check=True)
    assert done.stdout == "3 True\n"


def test_a_state_fits_in_eight_kilobytes_and_has_no_pointers():
    assert engine.STATE.itemsize <= 8192
    assert not engine.STATE.hasobject


def test_every_feature_has_a_sentence_for_people():
    assert set(engine.LABELS) == set(engine.FEATURES)
    assert all(label.endswith(".") for label in engine.LABELS.values())
