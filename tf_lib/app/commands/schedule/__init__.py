"""What starts the daily run, the guard and the weekly upkeep: cron, systemd or launchd."""
