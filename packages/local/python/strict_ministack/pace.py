"""How often ministack looks whether a schedule is due: every ten seconds, which each test of a schedule would wait for."""

from ministack.services import scheduler

if not hasattr(scheduler, "_SCHEDULE_TICK_INTERVAL"):
    raise SystemExit("strict_ministack doesn't fit this ministack: its schedules tick by something else.")
scheduler._SCHEDULE_TICK_INTERVAL = 1
