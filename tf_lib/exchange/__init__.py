"""The exchange: what is asked of it, its time, and for how long a read is tried again."""

from tf_lib.public_list import offered

__all__, __getattr__ = offered(
    __name__,
    "clock: ExchangeClock clock_offset now_source wall_now",
    "factory: open_exchange open_market_data",
    "freshness: Freshness READS_HOLD Read",
    "hosts: is_loopback",
    "patience: Patience",
    "port: Accepted AccountWallets Answer Bar CancelOutcome Exchange Fill Line Liquidity",
    "port: MOST_DAYS_PER_PAGE MarketData OrderState OrderStatus PASSING_REFUSALS PortfolioRef",
    "port: RefusalKind Refused Trigger Unknown",
)
