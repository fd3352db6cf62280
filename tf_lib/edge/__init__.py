"""
The edge: everything that can fail.

    files, values, api_key            written whole; believed when sound; shown to nobody
    endpoint -> wire -> paging        one SDK client, bounded reads, lists to their end
    patience                          for how long a read that fails is made again
    reads, wallets                    whose records matter, what is left out and named
    token_time                        tokens dated by the exchange's clock
    refusals -> answers               what a changing request came to, by proof
    order_state -> market_reads, account_reads -> exchange_reads -> coinbase
                                      the exchange: reads, and the few requests that change it
    public_market                     prices without a key
    candle_folder, candle_file -> candles     finished daily bars, cached
    ledger_state -> ledger, run_store what was meant and done, on disk before it counts
    ledger_rescue                     what protection goes by when the ledger cannot be read
    lock, epoch, arming, reserve      who may send, and that there is room to write it down
    execution                         sells, buys and cover, product by product
    clock, mail_text -> notify        time; who is told

Foreign errors stop here: what leaves is a value or an error of `tf_lib.errors`.
"""
