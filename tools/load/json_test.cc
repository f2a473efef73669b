#include "tools/load/json.h"

#include <cmath>

#include <gtest/gtest.h>

namespace roost::load {
namespace {

TEST(Json, NamesValuesAndWhatStandsBetweenThem) {
  JsonWriter json;
  json.Open("a");
  json.Number("n", 5);
  json.Real("r", 1.25, 2);
  json.Close();
  json.OpenList("l");
  json.Number("", -1);
  json.Open("");
  json.Bool("yes", true);
  json.Close();
  json.Close();
  json.Null("nothing");
  EXPECT_EQ(json.Take(),
            "{\"a\": {\"n\": 5, \"r\": 1.25},\n \"l\": [-1, {\"yes\": true}],\n"
            " \"nothing\": null}\n");
}

TEST(Json, WhatIsNotKnownIsNull) {
  JsonWriter json;
  json.Real("nan", std::nan(""));
  json.Real("none", std::optional<double>());
  json.Number("no_number", std::optional<uint64_t>());
  json.Number("number", std::optional<uint64_t>(7));
  EXPECT_EQ(json.Take(),
            "{\"nan\": null,\n \"none\": null,\n \"no_number\": null,\n \"number\": 7}\n");
}

TEST(Json, TextOfStrangersStaysText) {
  JsonWriter json;
  json.Text("t", "he said \"no\\\"\r\n\xff");
  EXPECT_EQ(json.Take(), "{\"t\": \"he said \\\"no\\\\\\\"???\"}\n");
}

}  // namespace
}  // namespace roost::load
