// Sizes of packed weights, packed activations and caches; they belong to the step dialect.
#pragma once

#include "dialect/step/Layout.h"
