#include <cstdio>

int main() { return std::puts("sluice " SLUICE_VERSION) < 0 ? 1 : 0; }
