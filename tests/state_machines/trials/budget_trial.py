"""One random run of buyers and children on one budget: what it spent, what it was billed, and what was left.

Up to sixteen attempts are in flight at once, in a tree of budgets three children deep. Replies come in any order; an
attempt may fail for nothing, be lost though it was billed, or be found to have been saved after all. A reply costs a
half to a quarter of its worst case, and the run goes on until nothing more can be afforded.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime

from perdure.contracts.budget import LIMITS, Allowance, Budget, Spend
from perdure.contracts.chains.spec import Deployment, Prices
from workflows.state_machines.purchase import Bind, Buy, GiveUp, OverBudget, Purchase, Wait, next_step

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AT_ONCE = 16
DEPTH = 3
"""The depth of the tree of budgets: children of children of children."""
BRANCHES = 4
"""The most children of one budget at the same time."""
LEAST_WORST_CASES = 20
"""The fewest worst cases that a run's limit holds: what the last one cannot use is then a twentieth."""

WHERE = Deployment(name="stub", tier="fast", task_queue="stub", context_window=8192, prices=Prices(input=1, output=1))


class Broken(AssertionError):
    """A run spent, or was billed, more than it may."""


@dataclass
class Flight:
    """An attempt that was started."""

    buyer: "Buyer"
    key: str
    worst: Spend
    cost: Spend


@dataclass
class Buyer:
    """One step that is being bought."""

    node: "Node"
    purchase: Purchase
    worst: Spend
    bills: dict[int, Spend] = field(default_factory=dict[int, Spend])
    """The bill of each lost attempt: a later reply may make it known."""


@dataclass
class Node:
    """A budget in use, the run's own or a child's."""

    name: str
    depth: int
    allowance: Allowance
    parent: "Node | None" = None
    children: list["Node"] = field(default_factory=list["Node"])
    buying: int = 0
    spent: bool = False
    """Whether it cannot afford another step."""


@dataclass(frozen=True)
class Ended:
    """The result of a run."""

    attempts: int
    children: int
    utilisation: float
    """Settled money over the limit less what is unknown, 0 to 1."""


class Trial:
    """One seeded run."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)  # noqa: S311 - a sample, not a secret
        worst = self._draw.randint(200, 2000)
        limit = worst * self._draw.randint(LEAST_WORST_CASES, 3 * LEAST_WORST_CASES)
        self._most = worst
        budget = Budget(steps=10**6, input_tokens=10**9, output_tokens=10**9, micro_dollars=limit)
        self._root = Node("run", 0, Allowance(budget=budget))
        self._flights: list[Flight] = []
        self._bill = Spend()
        self._attempts = 0
        self._born = 0

    def run(self) -> Ended:
        """Run until the budget is exhausted. Raises `Broken`."""
        root = self._root
        while not (root.spent and not self._flights and not root.children):
            self._happen()
            self._check()
        allowance = root.allowance
        usable = allowance.budget.micro_dollars - allowance.reserved.micro_dollars
        return Ended(self._attempts, self._born, allowance.settled.micro_dollars / usable if usable else 1.0)

    def _happen(self) -> None:
        nodes = self._nodes()
        open_nodes = [node for node in nodes if not node.spent]
        idle = [node for node in nodes if node.parent and not node.buying and not node.children]
        ending = [node for node in idle if node.spent or self._draw.random() < 0.05]
        chance = self._draw.random()
        if ending:
            self._end(self._draw.choice(ending))
        elif open_nodes and chance < 0.1:
            self._carve(self._draw.choice(open_nodes))
        elif open_nodes and len(self._flights) < AT_ONCE and chance < 0.6:
            self._begin(self._draw.choice(open_nodes))
        elif self._flights:
            self._land(self._flights.pop(self._draw.randrange(len(self._flights))))

    def _nodes(self) -> list[Node]:
        nodes, ahead = list[Node](), [self._root]
        while ahead:
            node = ahead.pop()
            nodes.append(node)
            ahead.extend(node.children)
        return nodes

    def _carve(self, node: Node) -> None:
        part = node.allowance.remaining.micro_dollars // self._draw.randint(2, 8)
        if node.depth == DEPTH or len(node.children) == BRANCHES or part < self._most:
            return
        self._born += 1
        name = f"{node.name}/{self._born}"
        share = Spend(steps=1000, input_tokens=10**6, output_tokens=10**6, micro_dollars=part)
        node.allowance = node.allowance.reserve(name, share)
        child = Allowance(budget=node.allowance.budget.of(share))
        node.children.append(Node(name, node.depth + 1, child, node))

    def _end(self, node: Node) -> None:
        parent = node.parent
        if parent is None:
            return
        allowance = node.allowance
        parent.allowance = parent.allowance.give_back(node.name, allowance.settled, allowance.reserved)
        parent.children.remove(node)
        parent.spent = False

    def _begin(self, node: Node) -> None:
        worst = Spend(steps=1, micro_dollars=self._draw.randint(self._most // 2, self._most))
        self._attempts += 1
        step = Purchase(step=str(self._attempts), deployment=WHERE, most_attempts=self._draw.randint(1, 4))
        node.buying += 1
        self._go_on(Buyer(node, step, worst))

    def _go_on(self, buyer: Buyer) -> None:
        """Advance the step until its next attempt is in flight, or until it ends."""
        node = buyer.node
        while True:
            match next_step(buyer.purchase, node.allowance, buyer.worst, NOW):
                case Wait(_, waited):
                    buyer.purchase = waited
                case Bind():
                    buyer.purchase = buyer.purchase.bound(WHERE)
                case Buy(_, begun) as buy:
                    buyer.purchase = begun
                    node.allowance = node.allowance.reserve(buy.key, buyer.worst)
                    cost = round(buyer.worst.micro_dollars / self._draw.uniform(2, 4))
                    self._flights.append(Flight(buyer, buy.key, buyer.worst, Spend(steps=1, micro_dollars=cost)))
                    return
                case OverBudget():
                    # An attempt in flight may still free a part of the budget.
                    node.spent = node.buying == 1 and not node.children
                    node.buying -= 1
                    return
                case GiveUp():
                    node.buying -= 1
                    return

    def _land(self, flight: Flight) -> None:
        buyer, purchase = flight.buyer, flight.buyer.purchase
        node, attempt = buyer.node, purchase.attempts
        match self._draw.choices(["replied", "lost", "free", "saved", "stopped"], [84, 3, 8, 3, 2])[0]:
            case "free":
                self._bill += Spend(steps=1)
                node.allowance = purchase.after_failure(node.allowance, free_of_charge=True)
                buyer.purchase = purchase.failed("overloaded")
            case "lost":
                self._bill += flight.cost
                buyer.bills[attempt] = flight.cost
                node.allowance = purchase.after_failure(node.allowance, free_of_charge=False)
                buyer.purchase = purchase.failed("lost")
            case "stopped":
                self._bill += flight.cost
                part = Spend(steps=1, micro_dollars=flight.cost.micro_dollars // 2)
                node.allowance = purchase.after_stop(node.allowance, {attempt: part})
                node.buying -= 1
                return
            case "saved" if buyer.bills:
                # An earlier attempt had saved its reply before it was lost: this attempt buys nothing.
                node.allowance = purchase.after_reply(node.allowance, {**buyer.bills, attempt: Spend()})
                node.buying -= 1
                return
            case _:
                self._bill += flight.cost
                node.allowance = purchase.after_reply(node.allowance, {attempt: flight.cost})
                node.buying -= 1
                return
        self._go_on(buyer)

    def _check(self) -> None:
        """Settled <= bill <= settled + reserved <= budget, at every moment."""
        allowance = self._root.allowance
        whole = allowance.settled + allowance.reserved
        for limit in LIMITS:
            settled, bill, reserved, most = (
                getattr(each, limit) for each in (allowance.settled, self._bill, whole, allowance.budget)
            )
            if not settled <= bill <= reserved <= most:
                raise Broken(
                    f"{limit}: settled {settled}, billed {bill}, settled and reserved {reserved}, limit {most}"
                )
