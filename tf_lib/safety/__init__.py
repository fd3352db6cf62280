"""Safety: who may send, in which portfolio, one at a time."""

from tf_lib.public_list import offered

__all__, __getattr__ = offered(
    __name__,
    "epoch",
    "arming: ArmedFor Arming claim is_offered issue",
    "ledger_rescue: protection_ledger_of unreadable",
    "lock: ProcessLock lock_folder portfolio_lock sender_lock state_lock take_from_holder",
    "lock: wait_for_guard",
    "preflight: check_account",
    "session_file: SESSION_FILE arm_here config_sha256",
)
