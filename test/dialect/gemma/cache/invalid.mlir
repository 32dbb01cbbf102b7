// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// expected-error @+1 {{'gemma.cache' op heads is 0 and head_dim 32, expected both at least 1}}
gemma.cache @cache_c1 {heads = 0, head_dim = 32, window = 0}

// -----

// expected-error @+1 {{'gemma.cache' op heads is 1 and head_dim -2, expected both at least 1}}
gemma.cache @cache_c1_dim {heads = 1, head_dim = -2, window = 0}

// -----

// expected-error @+1 {{'gemma.cache' op window is -1, expected 0 (keeps every position) to 2147483647}}
gemma.cache @cache_c2 {heads = 1, head_dim = 32, window = -1}

// -----

// expected-error @+1 {{'gemma.cache' op window is 2147483648, expected 0 (keeps every position) to 2147483647}}
gemma.cache @cache_c2_long {heads = 1, head_dim = 16, window = 2147483648}
