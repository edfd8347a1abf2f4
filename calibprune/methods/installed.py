"""Methods of other packages that are installed, found by their entry points."""

from importlib.metadata import EntryPoint, entry_points

from calibprune.errors import ParameterError
from calibprune.methods.base import Method

GROUP = "calibprune.methods"


def add_installed(methods: dict[str, Method]) -> None:
    """Add the methods of all entry points in the group "calibprune.methods" to those by name, sorted by name.

    Raises:
        ParameterError: a name that is taken, or an entry point that cannot be imported or is no `Method`.
    """
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        where = f"method {point.name!r} of the installed package {point.dist.name} ({point.value})"
        if point.name in methods or point.name == "dense":
            raise ParameterError(f"{where}: the name is taken; uninstall the package, or give the method another name")
        methods[point.name] = _load(point, where)


def _load(point: EntryPoint, where: str) -> Method:
    try:
        found = point.load()
    except Exception as error:  # whatever the code of that package raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ParameterError(f"{where}: cannot be imported ({reason}); repair or uninstall the package") from error
    if not isinstance(found, Method):
        raise ParameterError(f"{where}: is no calibprune.methods.Method; repair or uninstall the package")
    return found
