"""A contract type for import-linter: an allow-list, so that what nobody thought of fails."""

import sys
from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class Only(Contract):
    """Direct imports, of our own packages and of everybody else's.

    `importers` are packages, `except_for` those of their parts that other contracts watch, `may_import` packages with
    all they hold. `standard_library` lists the modules of it that may be imported; left out, all may.
    """

    importers = fields.ListField(subfield=fields.StringField())
    except_for = fields.ListField(subfield=fields.StringField(), required=False, default=[])
    may_import = fields.ListField(subfield=fields.StringField())
    standard_library = fields.ListField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: FBT001 - import-linter's own signature
        del verbose
        importers, watched_elsewhere = _names(self.importers), _names(self.except_for)
        missing = [importer for importer in importers if importer not in graph.modules]
        if missing:
            raise ValueError(f"there is no package {missing[0]!r}: correct the contract {self.name!r}")
        allowed = [*_names(self.may_import), *(_names(self.standard_library) or sys.stdlib_module_names)]
        breaches = [
            f"{module} -> {imported} (l.{detail['line_number']})"
            for module in sorted(graph.modules)
            if _within(module, importers) and not _within(module, watched_elsewhere)
            for imported in sorted(graph.find_modules_directly_imported_by(module))
            if not _within(imported, allowed)
            for detail in graph.get_import_details(importer=module, imported=imported)
        ]
        return ContractCheck(kept=not breaches, metadata={"breaches": breaches})

    def render_broken_contract(self, check: ContractCheck) -> None:
        output.print_error(f"May be imported: {', '.join(_names(self.may_import))}", bold=False)
        output.new_line()
        for breach in check.metadata["breaches"]:
            output.print_error(f"-   {breach}", bold=False)
        output.new_line()


def _names(field: object) -> list[str]:
    """What a field holds once import-linter has parsed the contract; it declares the field itself as the type."""
    return cast("list[str]", field or [])


def _within(module: str, packages: list[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)
