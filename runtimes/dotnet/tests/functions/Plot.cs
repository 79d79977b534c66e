using System;
using System.IO;
using System.Threading;
using System.Threading.Tasks;

namespace Plot
{
    /// <summary>As an operator may have it one day: with members that nobody knows today.</summary>
    public interface IFunctionContext
    {
        string RequestId { get; }

        string NewKey { get; }

        string Alias { get; }

        long NewNumber { get; }

        int RemainingTimeInMilliSeconds { get; }

        long MemoryLimitInMb { get; }

        IFunctionLogger Logger { get; }

        string GetUserData(string key, string otherwise = "");

        void NewDeed(int number);
    }

    public interface IFunctionLogger
    {
        void Logf(string format, params object[] args);
    }

    public class Point
    {
        public int X { get; set; }
    }

    /// <summary>What the tests call.</summary>
    public class Functions
    {
        static readonly Barrier All = new Barrier(3);

        public string Ask(string input, IFunctionContext context)
        {
            context.NewDeed(1);
            return context.RequestId + "|" + context.NewKey + "|" + context.NewNumber + "|" + context.MemoryLimitInMb + "|"
                + context.GetUserData("a") + context.GetUserData("b") + context.GetUserData("b", "c") + "|"
                + Environment.GetEnvironmentVariable("RUNTIME_TEST") + "|" + context.Alias + "|" + input;
        }

        public void Leave(IFunctionContext context)
        {
            Console.WriteLine("left " + (context.RemainingTimeInMilliSeconds > 4000));
        }

        public ValueTask<Point> Value(Point point, IFunctionContext context)
        {
            return new ValueTask<Point>(new Point { X = point.X + 1 });
        }

        public async ValueTask Later(string input, IFunctionContext context)
        {
            await Task.Delay(1);
            throw new IOException("no room", 28);
        }

        public Task None(string input, IFunctionContext context)
        {
            return null;
        }

        public string Meet(string input, IFunctionContext context)
        {
            Console.Write("begun ");
            if (!All.SignalAndWait(10000))
            {
                throw new TimeoutException("the others did not come");
            }
            Task.Run(() => Console.Write("by " + input)).Wait();
            context.Logger.Logf("logged {0}", input);
            return input;
        }

        public string Wide(string input, IFunctionContext context)
        {
            Console.WriteLine(new string('a', 92159) + "\ud83d\ude00b");
            throw new InvalidOperationException("quote \" back \\ bell \u0007 half \ud83d");
        }

        public byte[] Bytes(byte[] input, IFunctionContext context)
        {
            return input;
        }
    }

    /// <summary>Uses up all memory before anything is called.</summary>
    public class Greedy
    {
        public Greedy()
        {
            throw new OutOfMemoryException();
        }

        public string Ask(string input, IFunctionContext context)
        {
            return input;
        }
    }
}
