"""
The core: decides, and touches nothing.

No clock, disk, network, logging or randomness; "now", seeds and ids are arguments. One set of
kernels serves the live day, the backtest, the simulator, replay and sweeps.

    model/     values of one moment: account, products, orders' ids and lives, what a run came to
    candles/   candles to lagged bars, and which of them may be believed
    signals/   what each row knows: direction, volatility, levels of stops
    sizing/    covariance, sleeve budgets, target weights, desired trades through the gates
    orders/    exact sizes, prices and levels; what a price path does to an order
    jit/       how kernels are compiled and kept
    decision   all of it for one day
    plan       the day's orders, from inputs and parameters alone
"""

from tf_lib.public_list import offered

__all__, __getattr__ = offered(
    __name__,
    "candles.bars: Bars lag_bars",
    "candles.quarantine: Doubts Quarantined",
    "decision: Decision covariance_at decide",
    "model.account: Account",
    "model.client_ids: Leg LegKey client_id parse_client_id",
    "model.impediments: Impediment ImpedimentKind",
    "model.order_life: OrderStage check_move",
    "model.products: BUILT_IN_PRODUCTS parse_products products_for",
    "model.records: FeeRates Holding MarketOrder PortfolioState Product Protection Quote",
    "model.records: Reason Side StopOrder",
    "model.run_rows: DailySummary ErrorRow FillRow OrderRow StopRow",
    "orders.build: OrderBuild PlannedOrder WantedStop",
    "orders.stops: StopPlan plan_stop",
    "plan: Inputs Plan decision_of plan_of signals_of",
    "signals.columns: Signals",
    "sizing.weights: size_positions",
)
