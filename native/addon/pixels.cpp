// What a decoding process of images needs, as an addon of its own: from the bytes of a JPEG, or
// from pixels, to a record.
//
// Invariant: needs nothing of LibTorch, whose start takes longer than some hundred small images.
#include <napi.h>

#include <cmath>
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

constexpr int64_t most_edge = 1 << 16;
constexpr int64_t most_pixels = 1 << 30;
constexpr int64_t max_safe_integer = 9007199254740991;

// What one image after another is made with, on each thread that has JavaScript.
thread_local std::unique_ptr<JpegDecoder> decoder;
thread_local std::unique_ptr<ImageResizer> resizer;
thread_local std::vector<uint8_t> grey;

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

// Arguments that are not what lib/native/pixels.ts declares are refused, whoever calls.
class Arguments {
 public:
  explicit Arguments(const Napi::CallbackInfo& info) : info_(info) {}

  Napi::Uint8Array bytes(size_t place, const char* name) const {
    const Napi::Value value = info_[place];
    const bool fits =
        value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array;
    if (!fits) throw std::invalid_argument(std::string("Expected a Uint8Array for ") + name);
    return value.As<Napi::Uint8Array>();
  }

  int64_t channels() const {
    const int64_t count = integer("channels", 1, 3);
    if (count == 2) throw std::invalid_argument("Expected 1 or 3 for channels");
    return count;
  }

  // From the object that is the second argument.
  int64_t integer(const char* name, int64_t low, int64_t high) const {
    const Napi::Value options = info_[1];
    const Napi::Value value =
        options.IsObject() ? options.As<Napi::Object>().Get(name) : info_.Env().Undefined();
    const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
    if (number >= low && number <= high && number == std::floor(number)) {
      return static_cast<int64_t>(number);
    }
    throw std::invalid_argument(std::string("Expected another number for ") + name);
  }

 private:
  const Napi::CallbackInfo& info_;
};

template <typename Work>
Napi::Value guarded(const Napi::CallbackInfo& info, const Work& work) {
  try {
    return work(Arguments(info));
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
}

void check_length(const Napi::Uint8Array& bytes, int64_t wanted, const char* name) {
  if (static_cast<int64_t>(bytes.ByteLength()) == wanted) return;
  throw std::invalid_argument(std::string(name) + " has not the length of its shape");
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

// openJpeg(path)
Napi::Value OpenJpeg(const Napi::CallbackInfo& info) {
  return guarded(info, [&](const Arguments&) {
    decoder = std::make_unique<JpegDecoder>(info[0].ToString().Utf8Value());
    return info.Env().Undefined();
  });
}

// stretch(pixels, { height, width, channels, size }): [size,size,channels].
Napi::Value Stretch(const Napi::CallbackInfo& info) {
  return guarded(info, [&](const Arguments& arguments) {
    const auto pixels = arguments.bytes(0, "pixels");
    const int64_t channels = arguments.channels();
    const int64_t size = arguments.integer("size", 1, most_edge);
    const int64_t height = arguments.integer("height", 1, most_pixels);
    const int64_t width = arguments.integer("width", 1, most_pixels);
    check_length(pixels, height * width * channels, "pixels");
    auto record = Napi::Uint8Array::New(info.Env(), size * size * channels);
    fill_record({pixels.Data(), height, width, channels}, size, channels, record.Data());
    return record;
  });
}

// jpegRecord(file, { size, channels, mostPixels, enoughPixels }, into): "record" when `into` has
// it; "constant" for an image of one value; "other" for what the decoder leaves to others.
Napi::Value JpegRecord(const Napi::CallbackInfo& info) {
  return guarded(info, [&](const Arguments& arguments) {
    const auto file = arguments.bytes(0, "file");
    auto into = arguments.bytes(2, "into");
    const int64_t size = arguments.integer("size", 1, most_edge);
    const int64_t channels = arguments.channels();
    const int64_t enough = arguments.integer("enoughPixels", 0, most_pixels);
    const int64_t most = arguments.integer("mostPixels", 1, max_safe_integer);
    check_length(into, size * size * channels, "into");
    if (!decoder) throw std::logic_error("libjpeg-turbo is not open");
    const auto answer = [&](const char* word) { return Napi::String::New(info.Env(), word); };
    auto image = decoder->decode(file.Data(), file.ByteLength(),
                                 {most, enough, enough > 0 && channels == 1});
    if (!image) return answer("other");
    if (is_constant(*image)) return answer("constant");
    if (image->channels > channels) to_grey(*image);
    fill_record(*image, size, channels, into.Data());
    return answer("record");
  });
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("openJpeg", Napi::Function::New(env, OpenJpeg, "openJpeg"));
  exports.Set("stretch", Napi::Function::New(env, Stretch, "stretch"));
  exports.Set("jpegRecord", Napi::Function::New(env, JpegRecord, "jpegRecord"));
  return exports;
}

}  // namespace

NODE_API_MODULE(medcoss_pixels, initialise)
