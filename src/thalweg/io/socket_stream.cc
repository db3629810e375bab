#include "thalweg/io/socket_stream.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

constexpr int kAskEvery = 100;  // ms

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

AddressList addresses_of(const SocketAddress& address) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code =
      getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (code != 0)
    fail<DataError>("{}: the host is not known ({}); check its name", text_of(address),
                    gai_strerror(code));
  return {found, &freeaddrinfo};
}

/// A socket that is connected within so many seconds; -1 with errno.
int connected(int family, const sockaddr* where, socklen_t length, double seconds) {
  const int socket = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return -1;
  // A host that drops what it gets would hold connect() for minutes.
  const auto whole = static_cast<time_t>(seconds);
  const timeval limit = {whole,
                         static_cast<suseconds_t>(1e6 * (seconds - static_cast<double>(whole)))};
  setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  if (connect(socket, where, length) == 0) {
    const timeval none = {0, 0};
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none));
    return socket;
  }
  const int error = errno == EINPROGRESS ? ETIMEDOUT : errno;
  close(socket);
  errno = error;
  return -1;
}

}  // namespace

std::string text_of(const SocketAddress& address) {
  if (!address.file.empty()) return address.file;
  const bool numeric = address.host.find(':') != std::string::npos;
  return numeric ? fmt::format("[{}]:{}", address.host, address.port)
                 : fmt::format("{}:{}", address.host, address.port);
}

SocketAddress host_address(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  SocketAddress result;
  if (colon != std::string::npos) {
    result.host = text.substr(0, colon);
    const char *begin = text.data() + colon + 1, *end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(begin, end, result.port);
    if (error != std::errc() || rest != end) result.port = 0;
  }
  if (result.host.size() > 2 && result.host.front() == '[' && result.host.back() == ']')
    result.host = result.host.substr(1, result.host.size() - 2);
  else if (result.host.find(':') != std::string::npos)
    result.host.clear();
  if (result.host.empty() || result.port < 1 || result.port > 65535)
    fail<ConfigError>(
        "address '{}': expected HOST:PORT with a port from 1 to 65535, as "
        "localhost:31415",
        text);
  return result;
}

SocketStream::SocketStream(const SocketAddress& address, double wait,
                           std::function<bool()> interrupted)
    : address_(address), interrupted_(std::move(interrupted)) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(wait);
  std::string why;
  const auto left = [&] {
    return std::clamp(std::chrono::duration<double>(end - Clock::now()).count(), 2.0, 3600.0);
  };
  while (!connect_once(why, left())) {
    if (interrupted_ && interrupted_()) return;
    if (Clock::now() >= end)
      fail<DataError>("{}: no connection ({}); is the server running, and at this address?",
                      text_of(address_), why);
    std::this_thread::sleep_for(std::chrono::milliseconds(kAskEvery));
  }
}

SocketStream::~SocketStream() {
  if (socket_ >= 0) close(socket_);
}

bool SocketStream::connect_once(std::string& why, double seconds) {
  if (!address_.file.empty()) {
    sockaddr_un where = {};
    where.sun_family = AF_UNIX;
    if (address_.file.size() >= sizeof(where.sun_path))
      fail<ConfigError>("{}: expected a name of at most {} bytes for a UNIX socket, got {}",
                        address_.file, sizeof(where.sun_path) - 1, address_.file.size());
    std::memcpy(where.sun_path, address_.file.data(), address_.file.size());
    socket_ = connected(AF_UNIX, reinterpret_cast<const sockaddr*>(&where), sizeof(where), seconds);
  } else {
    const AddressList list = addresses_of(address_);
    for (const addrinfo* each = list.get(); each != nullptr && socket_ < 0; each = each->ai_next)
      socket_ = connected(each->ai_family, each->ai_addr, each->ai_addrlen, seconds);
    // Messages are short and waited for.
    const int on = 1;
    if (socket_ >= 0) setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  if (socket_ < 0) why = std::strerror(errno);
  return socket_ >= 0;
}

bool SocketStream::wait_for(short events) const {
  for (;;) {
    pollfd asked = {socket_, events, 0};
    const int ready = poll(&asked, 1, kAskEvery);
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR)
      fail<DataError>("{}: the connection failed: {}", text_of(address_), std::strerror(errno));
    if (interrupted_ && interrupted_()) return false;
  }
}

SocketStream::Outcome SocketStream::receive(void* bytes, std::size_t size) {
  auto* next = static_cast<char*>(bytes);
  for (std::size_t left = size; left > 0;) {
    if (!wait_for(POLLIN)) return Outcome::kInterrupted;
    const ssize_t got = recv(socket_, next, left, 0);
    if (got < 0 && errno == EINTR) continue;
    const bool nothing_yet = left == size;
    // A side that ends with bytes unread resets the connection in place of closing it.
    if (nothing_yet && (got == 0 || (got < 0 && errno == ECONNRESET))) return Outcome::kClosed;
    if (got <= 0)
      fail<DataError>("{}: the server is gone: {}", text_of(address_),
                      got == 0 ? "its message ends in the midst" : std::strerror(errno));
    next += got;
    left -= static_cast<std::size_t>(got);
  }
  return Outcome::kDone;
}

SocketStream::Outcome SocketStream::send(const void* bytes, std::size_t size) {
  const auto* next = static_cast<const char*>(bytes);
  while (size > 0) {
    if (!wait_for(POLLOUT)) return Outcome::kInterrupted;
    const ssize_t put = ::send(socket_, next, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (put < 0)
      fail<DataError>("{}: the server is gone: {}", text_of(address_), std::strerror(errno));
    next += put;
    size -= static_cast<std::size_t>(put);
  }
  return Outcome::kDone;
}

}  // namespace thalweg
