"""Breaking a grant on purpose: what a gate that guards access has to notice, and whether it does.

Reading order: `sites` (where a template can be broken), `edits` and `structure` (how), `catalogue` (the operators,
which are data), `access` (what a deployment holds, to be compared), `reasons` (did a suite fail for the right reason),
`trial` (the suites' tests on one mutant), `unbroken` (what it is held against), `reading` (a mutant judged by what its
templates would hold), `deploying` (judged by deploying it), `branches` (judged under the contract's variants), `engine`
(the order of things, as a pytest plugin), `score`.
"""
