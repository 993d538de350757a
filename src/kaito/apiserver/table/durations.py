"""Durations as Kubernetes prints them: two units at most, and only as precise as is useful."""

from datetime import UTC, datetime

UNKNOWN = "<unknown>"
INVALID = "<invalid>"


def human_duration(seconds: float) -> str:
    """Return `90s`, `5m10s`, `3h`, `2d4h`, `3y20d` … (k8s.io/apimachinery `duration.HumanDuration`).

    Clocks may differ by less than two seconds; a duration further below zero is `<invalid>`.
    """
    whole = int(seconds)
    if whole < -1:
        return INVALID
    if whole < 120:
        return f"{max(whole, 0)}s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    return _two(days // 365, "y", days % 365, "d") if days < 365 * 8 else f"{days // 365}y"


def _two(major: int, major_unit: str, minor: int, minor_unit: str) -> str:
    return f"{major}{major_unit}" + (f"{minor}{minor_unit}" if minor else "")


def age(timestamp: object, now: datetime) -> str:
    """Return the time since an RFC 3339 timestamp; `<unknown>` when there is none."""
    if not timestamp:
        return UNKNOWN
    moment = moment_of(timestamp)
    return INVALID if moment is None else human_duration((now - moment).total_seconds())


def moment_of(timestamp: object) -> datetime | None:
    """Return an RFC 3339 timestamp as a datetime; None when it is none."""
    try:
        moment = datetime.fromisoformat(str(timestamp))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
