// What a decoding process of images needs, as an addon of its own: from the bytes of a JPEG, or
// from pixels, to a record.
//
// Invariant: needs nothing of LibTorch, whose start takes longer than some hundred small images.
#include <napi.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "ops/cpu/image_resizer.h"
#include "ops/cpu/jpeg.h"

namespace {

using medcoss::ImageResizer;
using medcoss::JpegDecoder;
using medcoss::Pixels;

// What one image after another is made with; JavaScript calls from one thread only.
std::unique_ptr<JpegDecoder> decoder;
std::unique_ptr<ImageResizer> resizer;
std::vector<uint8_t> grey;

// Luma as in ITU-R BT.601, in the arithmetic of lib/data/preprocess/image.ts.
void to_grey(Pixels& image) {
  const int64_t count = image.height * image.width;
  grey.resize(count);
  for (int64_t i = 0; i < count; i++) {
    const uint8_t* rgb = image.pixels + 3 * i;
    grey[i] = static_cast<uint8_t>(0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] + 0.5);
  }
  image.pixels = grey.data();
  image.channels = 1;
}

int64_t number(const Napi::Object& options, const char* name) {
  return options.Get(name).ToNumber().Int64Value();
}

bool is_constant(const Pixels& image) {
  const int64_t count = image.height * image.width * image.channels;
  return std::memcmp(image.pixels, image.pixels + 1, count - 1) == 0;
}

// The record [size,size,channels] of an image.
void fill_record(const Pixels& image, int64_t size, int64_t channels, uint8_t* record) {
  if (!resizer || !resizer->makes(image.channels, size)) {
    resizer = std::make_unique<ImageResizer>(image.channels, size);
  }
  const int64_t pitch = image.width * image.channels;
  resizer->resize(image.pixels, pitch, {0, 0, image.height, image.width}, false, record);
  if (image.channels == channels) return;
  // Grey as colour, from the end, so that nothing is written over before it was read.
  for (int64_t i = size * size - 1; i >= 0; i--) std::memset(record + 3 * i, record[i], 3);
}

void check_length(const Napi::Uint8Array& bytes, int64_t wanted, const char* name) {
  if (static_cast<int64_t>(bytes.ByteLength()) == wanted) return;
  throw Napi::RangeError::New(bytes.Env(), std::string(name) + " has not the length of its shape");
}

// openJpeg(path)
Napi::Value OpenJpeg(const Napi::CallbackInfo& info) {
  try {
    decoder = std::make_unique<JpegDecoder>(info[0].ToString().Utf8Value());
  } catch (const std::exception& error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
  return info.Env().Undefined();
}

// stretch(pixels, { height, width, channels, size }): [size,size,channels].
Napi::Value Stretch(const Napi::CallbackInfo& info) {
  const auto pixels = info[0].As<Napi::Uint8Array>();
  const auto options = info[1].As<Napi::Object>();
  const int64_t channels = number(options, "channels");
  const int64_t size = number(options, "size");
  const int64_t height = std::max<int64_t>(number(options, "height"), 1);
  const int64_t width = std::max<int64_t>(number(options, "width"), 1);
  check_length(pixels, height * width * channels, "pixels");
  auto record = Napi::Uint8Array::New(info.Env(), size * size * channels);
  fill_record({pixels.Data(), height, width, channels}, size, channels, record.Data());
  return record;
}

// jpegRecord(file, { size, channels, mostPixels, enoughPixels }, into): "record" when `into` has
// it; "constant" for an image of one value; "other" for what the decoder leaves to others.
Napi::Value JpegRecord(const Napi::CallbackInfo& info) {
  const auto file = info[0].As<Napi::Uint8Array>();
  const auto options = info[1].As<Napi::Object>();
  auto into = info[2].As<Napi::Uint8Array>();
  const int64_t size = number(options, "size");
  const int64_t channels = number(options, "channels");
  const int64_t enough = number(options, "enoughPixels");
  check_length(into, size * size * channels, "into");
  const medcoss::JpegWish wish{number(options, "mostPixels"), enough, enough > 0 && channels == 1};
  const auto answer = [&](const char* word) { return Napi::String::New(info.Env(), word); };
  auto image = decoder->decode(file.Data(), file.ByteLength(), wish);
  if (!image) return answer("other");
  if (is_constant(*image)) return answer("constant");
  if (image->channels > channels) to_grey(*image);
  fill_record(*image, size, channels, into.Data());
  return answer("record");
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("openJpeg", Napi::Function::New(env, OpenJpeg, "openJpeg"));
  exports.Set("stretch", Napi::Function::New(env, Stretch, "stretch"));
  exports.Set("jpegRecord", Napi::Function::New(env, JpegRecord, "jpegRecord"));
  return exports;
}

}  // namespace

NODE_API_MODULE(medcoss_pixels, initialise)
