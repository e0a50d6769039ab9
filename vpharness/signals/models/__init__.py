"""The models that learned signals are fitted with: one file each, with its fit, its weights and its score in JAX."""

from vpharness.signals.models.knn import Knn
from vpharness.signals.models.linear_svm import LinearSvm
from vpharness.signals.models.logistic import Logistic
from vpharness.signals.models.mlp import Mlp
from vpharness.signals.models.pca import Pca
from vpharness.signals.models.ridge import Ridge
from vpharness.signals.models.trees import Trees
from vpharness.signals.models.trees_xgb import TreesXgb

__all__ = ["Knn", "LinearSvm", "Logistic", "Mlp", "Pca", "Ridge", "Trees", "TreesXgb"]
