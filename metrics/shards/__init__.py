"""The states of one shard of all series: in memory, saved in blocks, and rebuilt after a crash by doing the same steps again."""

from metrics.shards.attributes import publish
from metrics.shards.orders import order_rebuild, order_relearn, set_sensitivity
from metrics.shards.saved import ShardsChanged
from metrics.shards.states import BLOCK, ShardStates
from metrics.shards.steps import Order, Step, StepVerdicts, take_step

__all__ = [
    "BLOCK",
    "Order",
    "ShardStates",
    "ShardsChanged",
    "Step",
    "StepVerdicts",
    "order_rebuild",
    "order_relearn",
    "publish",
    "set_sensitivity",
    "take_step",
]
