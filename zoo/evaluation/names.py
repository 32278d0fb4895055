"""The names of metrics, in the order in which a report lists them, and of the extractors that code knows by name.

Nothing is imported, so that commands start fast.
"""

METRICS = ("fid", "kid", "is", "pr", "dc", "prd", "mind", "cmmd", "authpct", "ct", "cas", "classes")
USUAL_METRICS = ("fid", "kid", "is", "pr")  # what is measured where nothing is asked for
C_T_OF_COPIES = -3.0  # below it, generated images lie nearer to training images than unseen real ones do
INCEPTION, OFFLINE, SECOND_OFFLINE = "inception", "efficientnet-lite0", "efficientnet-lite2"
DINOV2, CLIP = "dinov2-vit-l-14", "clip-vit-l-14-336px"  # of FD-DINOv2 and CMMD
