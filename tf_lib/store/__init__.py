"""Files on disk: ledger, run folders, candles."""

from tf_lib.public_list import offered

__all__, __getattr__ = offered(
    __name__,
    "files",
    "candle_cache: CandleCache CandleUpdate",
    "candle_csv: intraday_files last_day_of_candles products_of read_candle_folder",
    "candle_csv: read_candle_texts read_intraday read_products_file read_universe",
    "candle_doubts: read_doubts remember_doubts",
    "disk_reserve: set_aside",
    "files: append_json_line file_sha256 json_record last_json_line make_private",
    "files: read_json_lines said_of_others sync_folder write_json write_whole",
    "heartbeat: Heartbeat",
    "ledger: LEDGER_FILE Ledger ledger_copy",
    "ledger_checkpoint: KEPT_DAYS",
    "ledger_entries: apply_entry",
    "ledger_state: LedgerState OrderRecord",
    "run_folder: DONE_FILE ProfileFolder RunFolder RunLogs",
)
