// SPDX-License-Identifier: Apache-2.0
//
// The page /docs, its script and its style, as they are in page/: put here by tools/embed.py.
#ifndef TAEL_EDGE_EDGE_PAGE_H
#define TAEL_EDGE_EDGE_PAGE_H

#include <stddef.h>

extern const unsigned char edge_page_html[];
extern const size_t edge_page_html_size;
extern const unsigned char edge_page_script[];
extern const size_t edge_page_script_size;
extern const unsigned char edge_page_style[];
extern const size_t edge_page_style_size;

#endif
