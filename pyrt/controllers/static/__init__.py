"""Static pods: pods that this node runs of its own accord, from manifests in a directory or at a URL.

The API shows them and does not rule them: their objects are *mirrors*, which nobody can change there. What is written
in the source is what runs, whether or not anybody asks the API for anything.

``identity`` (who a pod is), ``manifest`` (from text to a pod), ``sources`` (where manifests come from), ``plan`` (what
to make and what to take away: pure), ``controller`` (does it).
"""

from pyrt.controllers.static.controller import StaticPodController as StaticPodController
