"""The exact comparison: what one side allows and the other does not, over all requests.

The words of this package:

- *Side*: the policies of every layer that bear on a request. The *inner* side is asked what it allows, the *outer* one
  what it does not; inside one search these are `mine` and `theirs`.
- A request *escapes* when the inner side allows it and the outer side does not. No escape in either direction: equal.
- A statement *fires* on a request when all of its elements match. Sets of statements are bit masks of their numbers.
- A *kind of caller* is a set of callers whom no statement tells apart, so that one of them stands for all (`callers`).
- A *plan* says which statements must fire for one kind of caller to be allowed: in one of its *options*, an Allow of
  every *group* (`plan`).
- A *cell* is one way for a request to escape: which statements have to fire, and which *block* it if they fire
  (`cells`).
- The *generic point* of a pattern is one string that stands for all of its strings (`language`). *Private characters*,
  which no policy can hold, stand in it for whatever its wildcards match.
- A *reading* says how each point is taken that AWS's documentation leaves open (`readings`).

A comparison goes through the kinds of callers and the values of policy variables that matter (`question`), and in each
of them through the cells (`escape`). It ends when nothing is left to try, or gives up (`TooHard`), and says which.
"""
