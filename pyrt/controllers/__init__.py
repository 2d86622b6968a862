"""What Kubernetes' controller manager does, as far as it is done here: one package a subject."""
