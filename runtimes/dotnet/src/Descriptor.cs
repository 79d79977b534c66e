using System;
using System.IO;
using System.Runtime.InteropServices;

namespace Fungraph
{
    /// <summary>Where frames come from and go to.</summary>
    public interface IChannel
    {
        /// <summary>At most so many bytes; 0 at the end.</summary>
        int Read(byte[] buffer, int offset, int count);

        /// <summary>All of them.</summary>
        void Write(byte[] buffer, int count);

        /// <summary>Whether something can be read at once.</summary>
        bool IsReadable();
    }

    /// <summary>
    /// A descriptor that the platform left open. .NET's own classes would ask it what it is, buffer, and keep it blocking in ways
    /// that differ from release to release; four functions of the C library do not.
    /// </summary>
    sealed unsafe class Descriptor : IChannel
    {
        const int SetDescriptorFlags = 2;
        const int CloseOnExec = 1;
        const int Interrupted = 4;
        const short ReadableEvent = 1;

        readonly int number;

        /// <summary>Takes it; processes that the function starts do not get it.</summary>
        internal Descriptor(int number)
        {
            this.number = number;
            fcntl(number, SetDescriptorFlags, CloseOnExec);
        }

        public int Read(byte[] buffer, int offset, int count)
        {
            fixed (byte* start = buffer)
            {
                while (true)
                {
                    long got = (long)read(number, start + offset, (UIntPtr)(uint)count);
                    if (got >= 0)
                    {
                        return (int)got;
                    }
                    if (Marshal.GetLastWin32Error() != Interrupted)
                    {
                        throw new IOException("the platform's socket cannot be read");
                    }
                }
            }
        }

        public void Write(byte[] buffer, int count)
        {
            fixed (byte* start = buffer)
            {
                int sent = 0;
                while (sent < count)
                {
                    long more = (long)write(number, start + sent, (UIntPtr)(uint)(count - sent));
                    if (more < 0 && Marshal.GetLastWin32Error() != Interrupted)
                    {
                        throw new IOException("the platform's socket cannot be written");
                    }
                    sent += more > 0 ? (int)more : 0;
                }
            }
        }

        public bool IsReadable()
        {
            var question = new Question { Descriptor = number, Wanted = ReadableEvent };
            return poll(&question, (UIntPtr)1, 0) != 0;
        }

        /// <summary>Ends the process at once: no handlers, no finalizers, no threads are waited for.</summary>
        internal static void End(int status)
        {
            _exit(status);
        }

        [StructLayout(LayoutKind.Sequential)]
        struct Question
        {
            internal int Descriptor;
            internal short Wanted;
            internal short Answer;
        }

        [DllImport("libc", SetLastError = true)]
        static extern IntPtr read(int descriptor, byte* buffer, UIntPtr count);

        [DllImport("libc", SetLastError = true)]
        static extern IntPtr write(int descriptor, byte* buffer, UIntPtr count);

        [DllImport("libc", SetLastError = true)]
        static extern int fcntl(int descriptor, int command, int argument);

        [DllImport("libc", SetLastError = true)]
        static extern int poll(Question* questions, UIntPtr count, int milliseconds);

        [DllImport("libc")]
        static extern void _exit(int status);
    }
}
