"""
The edge: everything that can fail.

    files, values, api_key            written whole; believed when sound; shown to nobody
    endpoint -> wire -> paging        one SDK client, bounded reads, lists to their end
    refusals -> answers               what a changing request came to, by proof
    order_state, market_reads, account_reads -> coinbase      the exchange
    candle_file -> candles            finished daily bars, cached
    clock, mail_text -> notify        time; who is told

Foreign errors stop here: what leaves is a value or an error of `tf_lib.errors`.
"""
