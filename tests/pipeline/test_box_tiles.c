/* Grids of tiles, and boxes seen in them: which become one, which stay apart. */
#include "test_main.h"

#include <math.h>
#include <stdio.h>

#include "box_tiles.h"
#include "tsr_alloc.h"

/* ---- grids ---- */

static void tiles_cover_the_picture_and_overlap(void **state)
{
    static const size_t sizes[][2] = {{1, 1}, {2, 1}, {640, 480}, {4032, 3024}, {37, 5000}, {3, 3}, {101, 99}};
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t most = 1; most <= TSRI_TILES_MOST; most += 3) {
            tsri_grid g = tsri_grid_for(sizes[s][0], sizes[s][1], 0, most);
            size_t x_end = 0, y_end = 0;
            assert_true(g.columns * g.rows <= most);
            assert_int_equal(tsri_grid_n(&g), g.columns * g.rows > 1 ? g.columns * g.rows : 0);
            for (size_t i = 0; i < g.columns * g.rows; i++) {
                tsri_tile t = tsri_grid_tile(&g, i);
                size_t column = i % g.columns, row = i / g.columns;
                assert_true(t.width > 0 && t.height > 0 && t.x + t.width <= g.width && t.y + t.height <= g.height);
                assert_true(column ? t.x <= x_end : t.x == 0);
                assert_true(row ? t.y <= y_end || column : t.y == 0);
                if (column && (double)t.width >= 10) /* what they share, but for the pixels that don't go up */
                    assert_true((double)(x_end - t.x) >= TSRI_TILE_OVERLAP * (double)t.width - 2);
                x_end = t.x + t.width;
                if (column == g.columns - 1) {
                    assert_int_equal(x_end, g.width);
                    y_end = t.y + t.height;
                }
            }
            assert_int_equal(y_end, g.height);
        }
}

static void a_grid_has_no_more_tiles_than_wanted(void **state)
{
    (void)state;
    tsri_grid g = tsri_grid_for(800, 600, 800 * 600, 16);
    assert_int_equal(tsri_grid_n(&g), 0); /* it fits whole */
    g = tsri_grid_for(1600, 600, 900.0 * 600, 16);
    assert_int_equal(g.columns, 2);
    assert_int_equal(g.rows, 1);
    g = tsri_grid_for(4000, 3000, 1000.0 * 1000, 16);
    assert_true((double)g.tile_width * (double)g.tile_height <= 1e6);
    g = tsri_grid_for(4000, 3000, 1000.0 * 1000, 4); /* none is small enough */
    assert_int_equal(tsri_grid_n(&g), 4);
}

static void a_tile_has_the_pixels_of_its_place(void **state)
{
    unsigned char rgb[4 * 3 * 3];
    tsr_image whole = {.width = 4, .height = 3, .rgb = rgb}, piece = {0};
    tsri_tile t = {.x = 1, .y = 1, .width = 2, .height = 2};
    (void)state;
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (unsigned char)i;
    assert_int_equal(tsri_tile_cut(&piece, &whole, &t, NULL), TSR_OK);
    assert_int_equal(piece.width, 2);
    assert_int_equal(piece.height, 2);
    assert_memory_equal(piece.rgb, rgb + 3 * 5, 6);
    assert_memory_equal(piece.rgb + 6, rgb + 3 * 9, 6);
    tsr_image_deinit(&piece);
}

/* ---- merging ---- */

/* A picture of 1000x500 in two tiles: x 0 .. 556 and 444 .. 1000. */
typedef struct seen {
    tsri_grid g;
    tsri_boxes all;
} seen;

static seen begin(void)
{
    seen s = {.g = tsri_grid_for(1000, 500, 0, 2)};
    assert_int_equal(s.g.columns, 2);
    assert_int_equal(s.g.tile_width, 556);
    assert_int_equal(tsri_boxes_parse(&s.all, "[]", 2, 1000, 500, NULL), TSR_OK);
    return s;
}

/* What an answer about a part of the picture says, in its thousandths. tile 0: the whole picture. */
static void see(seen *s, size_t tile, const char *answer)
{
    tsri_boxes b = {0};
    tsr_error e = {TSR_OK, ""};
    if (tile == 0) {
        tsri_boxes_deinit(&s->all);
        assert_int_equal(tsri_boxes_parse(&s->all, answer, strlen(answer), 1000, 500, &e), TSR_OK);
        return;
    }
    assert_int_equal(tsri_boxes_parse(&b, answer, strlen(answer), s->g.tile_width, s->g.tile_height, &e), TSR_OK);
    assert_int_equal(tsri_boxes_take_tile(&s->all, &b, &s->g, tile - 1, &e), TSR_OK);
}

static void merge(seen *s)
{
    tsr_error e = {TSR_OK, ""};
    if (tsri_boxes_merge(&s->all, &s->g, &e) != TSR_OK)
        fail_msg("%s", e.text);
}

static bool is_told(const seen *s, const char *what)
{
    for (size_t i = 0; i < tsr_json_len(s->all.corrections); i++)
        if (strstr(tsr_json_string(tsr_json_at(s->all.corrections, i), NULL), what))
            return true;
    return false;
}

static void assert_box(const seen *s, size_t i, size_t x1, size_t y1, size_t x2, size_t y2)
{
    const size_t want[] = {x1, y1, x2, y2};
    for (size_t e = 0; e < 4; e++)
        if (fabs((double)s->all.at[i].xyxy[e] - (double)want[e]) > 1)
            fail_msg("box %zu: edge %zu is %zu, want %zu", i, e, s->all.at[i].xyxy[e], want[e]);
}

static void places_in_tiles_become_places_in_the_picture(void **state)
{
    (void)state;
    seen s = begin();
    see(&s, 2, "[{\"box_2d\": [200, 500, 400, 1000], \"label\": \"cat\"}]");
    merge(&s);
    assert_int_equal(s.all.n, 1);
    assert_box(&s, 0, 444 + 278, 100, 1000, 200);
    assert_int_equal(s.all.at[0].tile, 2);
    assert_float_equal(s.all.at[0].given[0], 200, 0.05); /* thousandths of the picture, in tenths */
    assert_float_equal(s.all.at[0].given[1], 722, 0.05);
    assert_float_equal(s.all.at[0].given[3], 1000, 0.05);
    tsri_boxes_deinit(&s.all);
}

static void parts_on_both_sides_of_a_border_are_joined(void **state)
{
    (void)state;
    seen s = begin();
    see(&s, 1, "[{\"box_2d\": [200, 720, 400, 1000], \"label\": \"cat\"}]"); /* 400 .. 556 */
    see(&s, 2, "[{\"box_2d\": [210, 0, 400, 460], \"label\": \"cat\"}]");    /* 444 .. 700 */
    merge(&s);
    assert_int_equal(s.all.n, 1);
    assert_box(&s, 0, 400, 100, 700, 200);
    assert_float_equal(s.all.at[0].given[3], 700, 0.5);
    assert_true(is_told(&s, "joined with its other part in tile 1"));
    tsri_boxes_deinit(&s.all);

    s = begin(); /* one above the other: they don't agree where the tiles overlap */
    see(&s, 1, "[{\"box_2d\": [200, 720, 400, 1000], \"label\": \"cat\"}]");
    see(&s, 2, "[{\"box_2d\": [500, 0, 700, 460], \"label\": \"cat\"}]");
    merge(&s);
    assert_int_equal(s.all.n, 2);
    tsri_boxes_deinit(&s.all);
}

static void what_two_see_is_kept_once(void **state)
{
    (void)state;
    seen s = begin();
    see(&s, 0, "[{\"box_2d\": [200, 455, 400, 540], \"label\": \"cat\"}]");
    see(&s, 1, "[{\"box_2d\": [200, 820, 400, 970], \"label\": \"cat\"}]"); /* 456 .. 539 */
    see(&s, 2, "[{\"box_2d\": [200, 20, 400, 170], \"label\": \"cat\"}]");  /* 455 .. 539 */
    merge(&s);
    assert_int_equal(s.all.n, 1);
    assert_true(s.all.at[0].tile != 0); /* a tile's edges are more exact */
    assert_true(is_told(&s, "left out, it was also seen in tile"));
    assert_true(is_told(&s, "box in the whole picture at 455, 100, 540, 200 (cat)"));
    tsri_boxes_deinit(&s.all);
}

static void a_part_within_the_whole_is_left_out(void **state)
{
    (void)state;
    seen s = begin();
    see(&s, 0, "[{\"box_2d\": [100, 400, 900, 900], \"label\": \"bus\"}]");
    see(&s, 1, "[{\"box_2d\": [110, 720, 880, 1000], \"label\": \"bus\"}]"); /* 400 .. 556: cut off */
    merge(&s);
    assert_int_equal(s.all.n, 1);
    assert_int_equal(s.all.at[0].tile, 0);
    assert_true(is_told(&s, "left out, it is a part of what was seen in the whole picture"));
    tsri_boxes_deinit(&s.all);
}

static void others_stay_apart(void **state)
{
    (void)state;
    seen s = begin(); /* another label; two of one view; a small one on a large one */
    see(&s, 0, "[{\"box_2d\": [100, 100, 900, 900], \"label\": \"table\"}, {\"box_2d\": [200, 455, 400, 540], \"label\": \"cat\"}]");
    see(&s, 1, "[{\"box_2d\": [200, 100, 400, 300], \"label\": \"cup\"}, {\"box_2d\": [200, 110, 400, 310], \"label\": \"cup\"}]");
    see(&s, 2, "[{\"box_2d\": [200, 20, 400, 170], \"label\": \"dog\"}, {\"box_2d\": [500, 500, 600, 600], \"label\": \"table\"}]");
    size_t before = s.all.n;
    merge(&s);
    assert_int_equal(s.all.n, before);
    tsri_boxes_deinit(&s.all);
}

static void points_near_each_other_are_one(void **state)
{
    (void)state;
    seen s = begin();
    see(&s, 1, "[{\"point\": [400, 900], \"label\": \"save\"}]"); /* x 500 */
    see(&s, 2, "[{\"point\": [402, 101], \"label\": \"save\"}, {\"point\": [400, 500], \"label\": \"save\"}]");
    merge(&s);
    assert_int_equal(s.all.n, 2);
    tsri_boxes_deinit(&s.all);
}

static void corrections_name_their_tile(void **state)
{
    (void)state;
    seen s = begin();
    see(&s, 2, "[{\"box_2d\": [400, 500, 200, 900], \"label\": \"cat\"}]");
    assert_true(is_told(&s, "tile 2, entry 1 (cat): y1 and y2 were swapped"));
    tsri_boxes_deinit(&s.all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_cover_the_picture_and_overlap),
        cmocka_unit_test(a_grid_has_no_more_tiles_than_wanted),
        cmocka_unit_test(a_tile_has_the_pixels_of_its_place),
        cmocka_unit_test(places_in_tiles_become_places_in_the_picture),
        cmocka_unit_test(parts_on_both_sides_of_a_border_are_joined),
        cmocka_unit_test(what_two_see_is_kept_once),
        cmocka_unit_test(a_part_within_the_whole_is_left_out),
        cmocka_unit_test(others_stay_apart),
        cmocka_unit_test(points_near_each_other_are_one),
        cmocka_unit_test(corrections_name_their_tile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
