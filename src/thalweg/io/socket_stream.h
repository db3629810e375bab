// Streams of bytes to a program that listens at a TCP port or a UNIX socket.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace thalweg {

/// Where a program listens: a file if that is not empty, else a host and a port.
struct SocketAddress {
  std::string host = {};
  int port = 0;
  std::string file = {};
};

/// "localhost:31415", "[::1]:31415" or the file, as messages and options have it.
std::string text_of(const SocketAddress& address);
/// The address of "HOST:PORT", with brackets around a numeric IPv6 host. Throws ConfigError.
SocketAddress host_address(const std::string& text);

/// A connection, by the side that asked for it. Bytes are sent and received as they are in memory.
/// One caller at a time. `interrupted` is asked ten times a second while a call waits.
class SocketStream {
 public:
  enum class Outcome { kDone, kClosed, kInterrupted };

  /// Connects; where nobody listens yet, tries again for `wait` seconds. Throws ConfigError for a
  /// file's name that is too long for a socket, DataError for a host that is not known and where
  /// nobody listens.
  SocketStream(const SocketAddress& address, double wait, std::function<bool()> interrupted);
  ~SocketStream();
  SocketStream(const SocketStream&) = delete;
  SocketStream& operator=(const SocketStream&) = delete;

  /// Whether interrupted() ended the constructor's wait; there is no connection then.
  bool open() const { return socket_ >= 0; }

  /// Waits for `size` bytes. kClosed: the other side ended before the first of them. Throws
  /// DataError if it ended in the midst or the connection broke.
  Outcome receive(void* bytes, std::size_t size);
  /// Hands over all bytes. Throws DataError if the other side is gone.
  Outcome send(const void* bytes, std::size_t size);

 private:
  bool connect_once(std::string& why, double seconds);
  /// Waits until the socket can be read (POLLIN) or written (POLLOUT); false: interrupted.
  bool wait_for(short events) const;

  SocketAddress address_;
  std::function<bool()> interrupted_;
  int socket_ = -1;
};

}  // namespace thalweg
