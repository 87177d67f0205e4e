"""Breaking a grant on purpose: what a gate that guards access has to notice, and whether it does.

Reading order: `sites` (where a template can be broken), `edits` and `structure` (how), `catalogue` (the operators,
which are data), `access` (what a deployment holds, to be compared), `reasons` (did a suite fail for the right reason),
`engine` (runs the suites over every mutant), `score`.
"""
