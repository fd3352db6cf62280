"""
Kernel parts: functions that are compiled only as a part of the kernels that call them.

numba optimizes every function and turns it into machine code as soon as it is compiled, links its
intermediate code into each caller, and optimizes it there again: a rule that is called through
eight others was optimized nine times, and eight of nine machine codes were never run. A part is
only linked; the kernel that Python calls is optimized once, with all its parts.
"""

from __future__ import annotations

from typing import Any

from numba.core import codegen, compiler, compiler_machinery, cpu, typed_passes

_numba_codegen: Any = codegen  # numba is typed by halves
_numba_compiler: Any = compiler
_numba_passes: Any = typed_passes
_numba_cpu: Any = cpu
_register: Any = compiler_machinery.register_pass


class PartCompiler(_numba_compiler.Compiler):  # type: ignore[misc]
    """
    The usual way from a function to intermediate code, which then waits for its callers.

    What sets a part apart is told as late as possible: what numba makes for a part and for a
    kernel, a minimum or an empty array, is then the same and is made once.
    """

    def define_pipelines(self) -> list[Any]:
        """Return the usual passes with another end."""
        passes = _numba_compiler.DefaultPassBuilder.define_nopython_pipeline(self.state)
        usual = _numba_passes.NativeLowering
        passes.passes = [(_Lowering if one is usual else one, why) for one, why in passes.passes]
        passes.finalize()
        return [passes]


class LeafCompiler(PartCompiler):
    """For a part that neither makes nor keeps an array, and so need not count who holds one."""

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self.state.targetctx = self.state.targetctx.subtarget(enable_nrt=False)


@_register(mutates_CFG=True, analysis_only=False)
class _Lowering(_numba_passes.NativeLowering):  # type: ignore[misc]
    """Makes intermediate code, and tells callers where it is."""

    _name = "part_lowering"

    def run_pass(self, state: Any) -> bool:
        """Lower to a library of its own, under a name that no other function has."""
        state.flags.no_compile = True
        state.flags.no_cpython_wrapper = True
        state.library = _Library(state.targetctx.codegen(), state.func_id.func_qualname)
        super().run_pass(state)
        lowered = state["cr"]
        name, env = lowered.fndesc, lowered.env
        handle = _numba_cpu._dynfunc.make_function(
            name.lookup_module(), name.qualname, "", 0, env, (state.library,)
        )
        state.targetctx.insert_user_function(handle, name, [state.library])
        state["cr"] = lowered._replace(cfunc=handle)
        return True


class _Library(_numba_codegen.JITCodeLibrary):  # type: ignore[misc]
    """Intermediate code of a part and of all that it calls, not optimized and never run."""

    def finalize(self) -> None:
        """Put together what belongs to it."""
        self._raise_if_finalized()
        for library in dict.fromkeys(self._linking_libraries):
            self._reload_init.update(library._reload_init)
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._final_module.verify()
        self._finalize_dynamic_globals()
        self._finalized = True
